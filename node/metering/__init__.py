"""What a request used, turned into a signed receipt that is on disk before anyone sees it."""
