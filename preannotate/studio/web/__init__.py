"""The pages of the studio: server-rendered HTML, usable by keyboard, on a phone and without JavaScript.

`access` decides who may ask, `app` puts the pages together, `pages` answers, `templates` and `static` are what is seen.
A page is a plain function of a `visit.Visit`, run in a thread, for whatever it asks may take seconds.
"""
