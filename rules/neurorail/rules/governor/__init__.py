"""The governor: what may still be done, and what is set aside for it.

`decide` answers a request; `scopes` finds the budgets and pools it touches; `reservations` sets
amounts aside and frees them again; `settlement` charges what was really used; `accounts` and
`windows` keep the books.
"""
