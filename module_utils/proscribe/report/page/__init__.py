"""The rooms of report.html: the parts that stand in the file as they are read, and the data that its script works on.

markup.py     escaping, icons, tables: the only place that writes an angle bracket around what came from outside
headline.py   the first screenful: the verdict, the numbers, the trend
trend.py      hosts that do not meet the ban, run by run, as a drawing and as a table
findings.py   what is wrong and where; by department, service, control
hosts.py      the hosts as a printed or script-less page shows them, and the empty table for the script
waivers.py    the waivers, each with all that is known of it
facts.py      what is to come, warnings, and the run itself
data.py       the hosts with their evidence, compact, for the script
breakdown.py  counting for the above
style.css, icons.svg, workbench.html, script/*.js   static, and put into the page as they are
"""
