"""The modules of report.html: its visible parts, and the data for its script.

Python decides the content, as named tuples of texts and numbers. The templates decide the form.

    templates/    the markup: page.html.j2 names the parts in their order, macros.html.j2 has shared markup
    rendering.py  the environment of the templates, which makes every text printable and escapes it
    headline.py   the first screen: the verdict, the numbers, the trend
    bars.py       counts by state as a bar
    trend.py      hosts that do not meet the ban, run by run, as a drawing and as a table
    findings.py   the findings by cause, and other remarks of the run
    counts.py     hosts counted by department, service, control
    listings.py   a section with a single table of plain texts
    hosts.py      the hosts on a page that is printed or has no script
    waivers.py    the waivers, each with all its facts
    run_facts.py      next steps, upcoming restrictions, warnings, and the run itself
    script_data.py       the hosts with their evidence, compact, for the script
    breakdown.py  the counts for the other modules
    style.css, script/*.js   static, and put into the page as they are
"""
