"""`preannotate annotate`: a built function's own detections on images of a folder, as text, pictures or an export."""
