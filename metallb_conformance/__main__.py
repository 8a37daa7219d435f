"""`python -m metallb_conformance`: the command where its folder is not on PATH."""

from metallb_conformance.command import main

if __name__ == "__main__":
    raise SystemExit(main())
