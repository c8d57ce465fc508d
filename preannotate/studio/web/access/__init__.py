"""Access control: allowed hosts, sessions, the login token, CSRF, bounds of forms.

Loopback without a login is still reached by every web page that is open in a browser of this machine. So the name in
the address must be one of ours (`hosts`: against DNS rebinding), and whatever changes something must come from a form
that the studio made for the same browser (`forgery`).
"""
