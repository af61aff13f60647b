"""Run every benchmark, one after the other."""

from bench import bulk, server, startup, tokens

if __name__ == "__main__":
    for each in (startup, tokens, bulk, server):
        each.main()
