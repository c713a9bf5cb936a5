"""What carries a load out: :mod:`.session` on one connection, :mod:`.streams` and :mod:`.waves` on several.

:mod:`dbclone.db.load` is the way in, and says what the two modes are.
"""
