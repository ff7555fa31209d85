"""Bills of materials of a release, in CycloneDX 1.6 (ECMA-424).

licences.py      SPDX expressions of installed packages
environment.py   sbom.cdx.json: the packages of the serving image
model.py         ml-bom.cdx.json: the model, the data that it was made of, its figures
write.py         both files, sealed with the release
"""
