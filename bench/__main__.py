"""Run every benchmark, one after the other."""

from bench import server, startup, stores, tokens

if __name__ == "__main__":
    for each in (startup, tokens, stores, server):
        each.main()
