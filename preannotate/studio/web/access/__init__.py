"""Access control: allowed hosts, sessions, the login token, CSRF, bounds of forms.

Loopback without a login is still reached by every web page that is open in a browser of this machine. So the host name
must be one of ours (`headers`, against DNS rebinding), and changes are accepted only from a form that the studio made
for the same browser (`form_body`).
"""
