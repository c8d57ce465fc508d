"""The pages of the studio: server-rendered HTML, usable by keyboard, on a phone and without JavaScript.

`access` decides whose requests are answered, `app` has the table of pages, `pages` their functions.
A page is a plain function of a `page_request.PageRequest`, which runs in a thread, since CVAT may take seconds.
"""
