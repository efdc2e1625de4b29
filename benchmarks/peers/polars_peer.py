"""Polars, streaming, on queries written by hand in its own language: the same steps as the SQL."""

import datetime

import polars as pl


def run(job):
    tables = {name: pl.scan_parquet(path) for name, path in job["tables"].items()}
    query = QUERIES[job["query"]](tables, job)
    query.sink_parquet(job["answer"], compression="zstd", compression_level=1, engine="streaming")


def day(text):
    return datetime.date.fromisoformat(text)


def whole_years(start, end):
    month_day = lambda date: date.dt.month().cast(pl.Int32) * 100 + date.dt.day().cast(pl.Int32)
    return end.dt.year() - start.dt.year() - (month_day(end) < month_day(start)).cast(pl.Int32)


def dm017(tables, job):
    months = pl.LazyFrame({"interval_start": [day(first) for first, _ in job["intervals"]]})
    code, start = pl.col("snomedct_code"), pl.col("interval_start")
    coded = (
        tables["clinical_events"]
        .filter(code.is_in([*job["diagnosed"], *job["resolved"]]))
        .select("patient_id", "date", diagnosed=code.is_in(job["diagnosed"]))
    )
    last = lambda which: pl.col("date").filter(which).max()
    lasts = (
        coded.join_where(months, pl.col("date") <= start)
        .group_by("patient_id", "interval_start")
        .agg(diagnosis=last(pl.col("diagnosed")), resolution=last(~pl.col("diagnosed")))
    )
    diagnosis, resolution = pl.col("diagnosis"), pl.col("resolution")
    cases = (
        lasts.filter((resolution < diagnosis) | (diagnosis.is_not_null() & resolution.is_null()))
        .join(tables["patients"].select("patient_id", "date_of_birth"), on="patient_id")
        .filter(whole_years(pl.col("date_of_birth"), start) >= job["age"])
        .select("patient_id", "interval_start", case=pl.lit(1, pl.Int64))
    )
    registered = (
        tables["practice_registrations"]
        .select("patient_id", "start_date", end=pl.col("end_date").fill_null(day("9999-12-31")))
        .join_where(months, pl.col("start_date") <= start, pl.col("end") > start)
        .select("patient_id", "interval_start")
        .unique()
    )
    return (
        registered.join(tables["patients"].select("patient_id", "sex"), on="patient_id", how="left")
        .join(cases, on=["patient_id", "interval_start"], how="left")
        .group_by("interval_start", "sex")
        .agg(numerator=pl.col("case").sum(), denominator=pl.len().cast(pl.Int64))
    )


def wide(tables, job):
    lists = pl.LazyFrame(
        {
            "snomedct_code": [code for codes in job["lists"] for code in codes],
            "list": [number for number, codes in enumerate(job["lists"]) for _ in codes],
        }
    )
    every = [code for codes in job["lists"] for code in codes]
    counted = (
        tables["clinical_events"]
        .filter(pl.col("snomedct_code").is_in(every))
        .join(lists, on="snomedct_code")
        .group_by("patient_id", "list")
        .agg(last_date=pl.col("date").max(), events=pl.len().cast(pl.Int64), mean_value=pl.col("numeric_value").mean())
    )
    of = {"last date": "last_date", "count": "events", "mean value": "mean_value"}
    one = lambda number, kind: pl.col(of[kind]).filter(pl.col("list") == number).first()
    turned = counted.group_by("patient_id").agg(
        **{f"v{index}": one(number, kind) for index, (number, kind) in enumerate(job["variables"])}
    )
    counts = [f"v{index}" for index, (_, kind) in enumerate(job["variables"]) if kind == "count"]
    return (
        tables["patients"]
        .select("patient_id")
        .join(turned, on="patient_id", how="left")
        .with_columns(pl.col(counts).fill_null(0))
    )


def rare(tables, job):
    return (
        tables["clinical_events"]
        .filter(pl.col("snomedct_code").is_in(job["codes"]))
        .group_by("patient_id")
        .agg(
            first_date=pl.col("date").min(),
            last_date=pl.col("date").max(),
            events=pl.len().cast(pl.Int64),
            greatest_value=pl.col("numeric_value").max(),
        )
        .join(tables["patients"].select("patient_id", "sex"), on="patient_id", how="left")
    )


def episodes(dates, gap):
    """How many of ordered dates come more than so many days after the one before."""
    return ((dates.diff().dt.total_days() > gap).sum() + (dates.len() > 0)).cast(pl.Int64)


def cohort(tables, job):
    code, index = pl.col("snomedct_code"), pl.col("index_date")
    coded = (
        tables["clinical_events"]
        .filter(code.is_in([*job["index"], *job["episode"], *job["value"]]))
        .select("patient_id", "date", "snomedct_code", "numeric_value")
    )
    firsts = (
        coded.filter(code.is_in(job["index"]) & (pl.col("date") >= day(job["since"])))
        .group_by("patient_id")
        .agg(index_date=pl.col("date").min())
    )
    order = ["start_date", "end_date", "practice_pseudo_id", "practice_nuts1_region_name"]
    registered = (
        tables["practice_registrations"]
        .select("patient_id", *order)
        .join(firsts, on="patient_id")
        .filter((pl.col("start_date") <= index) & ((pl.col("end_date") > index) | pl.col("end_date").is_null()))
        .sort(["patient_id", *order], nulls_last=False)
        .group_by("patient_id", maintain_order=True)
        .last()
        .select("patient_id", "index_date", practice="practice_pseudo_id", region="practice_nuts1_region_name")
    )
    cause = pl.col("underlying_cause_of_death").is_in(job["diagnoses"])
    deaths = tables["ons_deaths"].select("patient_id", death_date="date", died_of_it=cause)
    members = (
        registered.join(deaths, on="patient_id", how="left")
        .filter(pl.col("death_date").is_null() | (pl.col("death_date") >= index))
        .with_columns(died_within_year=(pl.col("death_date") - index).dt.total_days() <= 365)
    )
    dated = members.select("patient_id", "index_date")
    return (
        members.join(tables["patients"].select("patient_id", "date_of_birth", "sex"), on="patient_id", how="left")
        .with_columns(age=whole_years(pl.col("date_of_birth"), index))
        .drop("date_of_birth")
        .join(issues(tables, job, dated), on="patient_id", how="left")
        .join(admissions(tables, job, dated), on="patient_id", how="left")
        .join(recurred(coded, job, dated), on="patient_id", how="left")
        .join(nearest(coded, job, dated), on="patient_id", how="left")
        .with_columns(pl.col("issues_in_year_before", "admission_episodes", "episodes").fill_null(0))
    )


def issues(tables, job, dated):
    date, index = pl.col("date"), pl.col("index_date")
    return (
        tables["medications"]
        .filter(pl.col("dmd_code").is_in(job["medicines"]))
        .select("patient_id", "date")
        .join(dated, on="patient_id")
        .filter(date < index)
        .group_by("patient_id")
        .agg(
            issues_in_year_before=((index - date).dt.total_days() <= 365).sum().cast(pl.Int64),
            last_issue_before=date.max(),
        )
    )


def admissions(tables, job, dated):
    date = pl.col("admission_date")
    with_it = pl.col("primary_diagnosis").is_in(job["diagnoses"])
    return (
        tables["apcs"]
        .select("patient_id", "admission_date", with_it=with_it)
        .join(dated, on="patient_id")
        .filter(date >= pl.col("index_date"))
        .group_by("patient_id")
        .agg(
            admission_episodes=episodes(date.sort(), job["admission_gap"]),
            first_admission_with_it=date.filter(pl.col("with_it")).min(),
        )
    )


def recurred(coded, job, dated):
    date = pl.col("date")
    return (
        coded.filter(pl.col("snomedct_code").is_in(job["episode"]) & date.is_not_null())
        .join(dated, on="patient_id", how="semi")
        .group_by("patient_id")
        .agg(episodes=episodes(date.sort(), job["event_gap"]))
    )


def nearest(coded, job, dated):
    date, value = pl.col("date"), pl.col("numeric_value")
    days = (date - pl.col("index_date")).dt.total_days().abs()
    return (
        coded.filter(pl.col("snomedct_code").is_in(job["value"]) & value.is_not_null() & date.is_not_null())
        .join(dated, on="patient_id")
        .with_columns(days=days)
        .sort("patient_id", "days", "date", "numeric_value")
        .group_by("patient_id", maintain_order=True)
        .first()
        .select("patient_id", nearest_value="numeric_value", nearest_date="date")
    )


QUERIES = {"dm017": dm017, "wide": wide, "rare": rare, "cohort": cohort}
