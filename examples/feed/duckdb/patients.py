"""Asks a Parquet file of Tact's feed: by month, contacts made and patients reached by them."""

import duckdb

QUESTION = """
    select strftime(time at time zone 'UTC', '%Y-%m') as month,
           count(*) as contacts,
           count(distinct subject) filter (where data ->> '$.outcome' = 'reached') as reached
    from 'feed.parquet'
    where type = 'contact.made' and data ->> '$.direction' = 'outbound'
    group by month order by month
"""

for month, contacts, reached in duckdb.sql(QUESTION).fetchall():
    print(f"{month} {contacts} {reached}")
