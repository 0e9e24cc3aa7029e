"""DuckDB: a query that writes Parquet and one that reads it by range."""

import os
import sys
import urllib.parse
from pathlib import Path

import duckdb


def main(bucket, endpoint):
    database = duckdb.connect(config={"autoinstall_known_extensions": False})
    [folder] = [place for entry in sys.path for place in Path(entry).glob("duckdb_ext/extensions/*/*")]
    database.execute(f"LOAD '{folder / 'httpfs.duckdb_extension'}'")
    host = urllib.parse.urlsplit(endpoint).netloc
    database.execute(f"SET ca_cert_file = '{os.environ['SSL_CERT_FILE']}'")
    database.execute(
        f"""CREATE SECRET (TYPE s3, KEY_ID '{os.environ['AWS_ACCESS_KEY_ID']}',
            SECRET '{os.environ['AWS_SECRET_ACCESS_KEY']}', REGION 'us-east-1', ENDPOINT '{host}', URL_STYLE 'path')"""
    )
    place = f"s3://{bucket}/duck/numbers.parquet"
    database.execute(f"COPY (SELECT range AS n, range * 2 AS twice FROM range(100000)) TO '{place}' (FORMAT parquet)")
    [(total,)] = database.execute(f"SELECT sum(twice) FROM read_parquet('{place}') WHERE n < 10").fetchall()
    assert total == 90, total
    [(files,)] = database.execute(f"SELECT count(*) FROM glob('s3://{bucket}/duck/*.parquet')").fetchall()
    assert files == 1, files
    print("fine")


main(*sys.argv[1:])
