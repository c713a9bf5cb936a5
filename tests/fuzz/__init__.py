"""Coverage-guided fuzzing (atheris) of what reads other people's data: model files, CHECKs, configuration files.

Not part of the tests: ``python -m tests.fuzz model --seconds 60``. What it finds becomes a test.
"""
