"""Who receives what: the rules of one group, pure. Runs and `now` in, actions out."""
