"""results.json as HTML: the page of a run, of a fleet, of an upgrade's decision, and the pictures on them."""
