"""What commands leave behind: run directories (:mod:`.run`) and files of scores (:mod:`.score_files`)."""
