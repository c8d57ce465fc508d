"""One module for each area of the studio; each public function is a page of the table in `app`."""
