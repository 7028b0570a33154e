"""One file a law; `jaxscale.law.list_laws` finds them."""
