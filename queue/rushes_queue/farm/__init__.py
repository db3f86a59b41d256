"""What is done with a farm as a whole: submit, reconcile, notify, measure."""
