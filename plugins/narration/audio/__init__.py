"""Clips become chapters, chapters become the master: decoding, measuring, laying out, joining, encoding, verifying.

Pure: no Airflow, no cloud SDK, no HTTP. Importing any module of this room needs neither numpy nor the codecs.
"""
