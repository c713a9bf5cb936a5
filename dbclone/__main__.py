"""``python -m dbclone``."""

from dbclone.cli import main

main()
