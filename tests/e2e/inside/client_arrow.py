"""pyarrow: a Parquet file written, and read again by range."""

import os
import sys

import pyarrow
import pyarrow.parquet
from pyarrow.fs import FileSelector, S3FileSystem


def main(bucket, endpoint):
    s3 = S3FileSystem(
        region="us-east-1",
        endpoint_override=endpoint,
        tls_ca_file_path=os.environ["SSL_CERT_FILE"],
        connect_timeout=10,
    )
    rows = 200_000
    table = pyarrow.table({"n": range(rows), "square": [n * n for n in range(rows)]})
    path = f"{bucket}/arrow/table.parquet"
    with s3.open_output_stream(path) as out:
        pyarrow.parquet.write_table(table, out, row_group_size=20_000)
    with s3.open_input_file(path) as file:
        parquet = pyarrow.parquet.ParquetFile(file)
        group = parquet.read_row_group(7, columns=["n"])
        assert group["n"][0].as_py() == 140_000, group
    assert pyarrow.parquet.read_table(path, filesystem=s3, filters=[("n", "=", 5)])["square"].to_pylist() == [25]
    found = [info.path for info in s3.get_file_info(FileSelector(f"{bucket}/arrow", recursive=True))]
    assert found == [path], found
    s3.delete_dir(f"{bucket}/arrow")
    print("fine")


main(*sys.argv[1:])
