"""The rooms of report.html: the parts that stand in the file as they are read, and the data that its script works on.

Python says what is shown, as named tuples of texts and numbers; the templates say how.

    templates/    the markup: page.html.j2 names the parts in their order, macros.html.j2 has what they share
    rendering.py  the environment of the templates, which makes every text printable and escapes it
    headline.py   the first screenful: the verdict, the numbers, the trend
    bars.py       counts by state as a bar
    trend.py      hosts that do not meet the ban, run by run, as a drawing and as a table
    findings.py   what was found, by cause, and what else the run has noticed
    counts.py     hosts counted by department, service, control
    listings.py   a section that is one table of plain texts
    hosts.py      the hosts as a printed or script-less page shows them
    waivers.py    the waivers, each with all that is known of it
    facts.py      what is to come, warnings, and the run itself
    data.py       the hosts with their evidence, compact, for the script
    breakdown.py  counting for the above
    style.css, script/*.js   static, and put into the page as they are
"""
