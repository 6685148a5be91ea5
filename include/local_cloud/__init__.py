"""A counterpart of the clouds on localhost: same wire, real audio, same limits.

Run it with ``python -m include.local_cloud``; README.md beside this file says
how to set it up, how to order faults and what it does not emulate.
"""
