"""dbclone: a synthetic twin of a live database, every key intact.

The stages, in order: ``reflect → plan → sample → learn → generate → load → verify → report``. :mod:`dbclone.pipeline`
wires them; each can be called on its own. Importing this package loads neither SDV nor a database driver.
"""

from dbclone.errors import DbcloneError

__all__ = ["DbcloneError", "__version__"]
__version__ = "0.1.0"
