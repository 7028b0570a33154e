"""What a law must keep, check by check; `jaxscale.check_law` runs them."""
