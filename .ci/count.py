"""Adds up the outcomes in a folder of .trx files: passed, failed, skipped."""
import pathlib
import sys
import xml.etree.ElementTree as tree

passed = failed = skipped = 0
for file in pathlib.Path(sys.argv[1]).rglob("*.trx"):
    for result in tree.parse(file).iter("{http://microsoft.com/schemas/VisualStudio/TeamTest/2010}UnitTestResult"):
        outcome = result.get("outcome")
        passed += outcome == "Passed"
        skipped += outcome == "NotExecuted"
        failed += outcome not in ("Passed", "NotExecuted")
print(passed, failed, skipped)
