"""What was measured, as a table and as JSON."""

import datetime
import json
import os
import platform
import statistics

from .contenders import FLOOR, OURS
from .rounds import median


def machine():
    """What it ran on, in words."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        model = names[0] if names else model
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (OSError, ValueError):
        return f"{platform.system()}, {os.cpu_count()} cores, {model}"
    return f"{platform.system()}, {os.cpu_count()} cores, {model}, {memory:.0f} GiB of memory"


def today():
    return datetime.date.today().isoformat()


def result(arguments, fields, runs, claims, packages, load_before):
    """All of it, for JSON and for the chart."""
    return {
        "date": today(),
        "machine": machine(),
        "load_before": load_before,
        "threads": arguments.threads,
        "patients": arguments.patients,
        "events_per_patient": arguments.events,
        "rounds": arguments.runs,
        "answers_compared": not arguments.no_peers,
        "peers": list(packages),
        "items": [item_result(item, work, contenders, runs) for item, work, contenders in fields],
        "ratios": claims,
    }


def item_result(item, work, contenders, runs):
    found = {contender.name: runs[item.key, contender.name] for contender in contenders}
    return {
        "key": item.key,
        "says": item.says,
        "work": work.says,
        "population": item.population,
        "contenders": [contender_result(name, taken, found) for name, taken in found.items()],
    }


def contender_result(name, taken, found):
    first = next(iter(found))
    seconds = [run.seconds for run in taken]
    return {
        "name": name,
        "runs": len(taken),
        "seconds": median(taken),
        "fastest_s": min(seconds),
        "slowest_s": max(seconds),
        "cpu_s": statistics.median(run.cpu_s for run in taken),
        "peak_mib": max(run.peak_mib for run in taken),
        "to_first": median(taken) / median(found[first]),
        "all_seconds": seconds,
    }


def as_json(found):
    return json.dumps(found, indent=1)


def as_text(found):
    compared = "are the same" if found["answers_compared"] else "were NOT compared"
    lines = [
        f"{found['date']}: {found['machine']}; {found['threads']} threads; load before {found['load_before']:.1f}",
        f"{found['patients']:,} patients with {found['events_per_patient']} events each; medians of at most "
        f"{found['rounds']}, in interleaved rounds; answers {compared}",
        "",
        f"{'':<34}{'seconds':>10}{'from':>10}{'to':>10}{'cpu s':>9}{'peak MiB':>10}{'÷ first':>9}{'runs':>6}",
    ]
    for item in found["items"]:
        lines.append(f"{item['key']}: {item['says']}")
        for one in item["contenders"]:
            lines.append(
                f"  {one['name']:<32}{one['seconds']:>10.3f}{one['fastest_s']:>10.3f}{one['slowest_s']:>10.3f}"
                f"{one['cpu_s']:>9.2f}{one['peak_mib']:>10.0f}{one['to_first']:>9.2f}{one['runs']:>6}"
            )
    if found["ratios"]:
        lines += ["", f"{'':<60}{'ratio':>8}{'from':>8}{'to':>8}   must"]
        for claim in found["ratios"]:
            verdict = "" if claim["held"] else "   falls short"
            lines.append(
                f"{claim['says']:<60}{claim['ratio']:>8.2f}{claim['least']:>8.2f}{claim['greatest']:>8.2f}"
                f"   {claim['must']}{verdict}"
            )
    return "\n".join(lines)


__all__ = ["FLOOR", "OURS", "as_json", "as_text", "machine", "result", "today"]
