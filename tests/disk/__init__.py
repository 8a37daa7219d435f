"""A journal and a report on disks that fill up; needs root to mount them."""
