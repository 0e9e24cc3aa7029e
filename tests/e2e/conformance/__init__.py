"""Every operation of Adit's table, driven through botocore and checked against botocore's own model."""
