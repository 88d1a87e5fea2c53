"""Reflexes: what is watched, when it fires, and what then holds until it heals.

Every module here is a small machine over whole numbers. Time is the time of records, given as an
argument; what is remembered is bounded and can be written as a plain row.
"""
