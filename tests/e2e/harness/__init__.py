"""What the end-to-end tests share: an installation, the networks built in it, hosts inside them."""
