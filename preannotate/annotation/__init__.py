"""`preannotate annotate`: what a function detects, as text, pictures, an export or boxes in a CVAT task."""
