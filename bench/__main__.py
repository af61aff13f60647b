"""Run every benchmark, one after the other."""

from bench import bulk, core, server, startup, stores, tokens

if __name__ == "__main__":
    for each in (startup, tokens, stores, bulk, core, server):
        each.main()
