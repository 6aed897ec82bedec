"""The vendor's schema: requests and own answers are held against it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.tableau.xml import NAMESPACE

if TYPE_CHECKING:
    from pathlib import Path

_XS = "{http://www.w3.org/2001/XMLSchema}"


class Schema:
    """An XSD file of the vendor's. Needs the package `lxml`.

    Args:
        file: the schema.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no schema of Tableau's REST API.
    """

    def __init__(self, file: Path) -> None:
        self._schema = _schema(file)

    def wrong_with(self, body: bytes) -> str | None:
        """What a document has that the schema does not, or lacks."""
        from lxml import etree  # noqa: PLC0415 - only where a schema is given

        try:
            root = etree.fromstring(body)
        except etree.XMLSyntaxError as error:
            return str(error)
        # The vendor's client leaves the namespace out, and servers take that.
        for each in root.iter(etree.Element):
            if "{" not in each.tag:
                each.tag = f"{{{NAMESPACE}}}{each.tag}"
        root = etree.fromstring(etree.tostring(root))
        if self._schema.validate(root):
            return None
        return str(self._schema.error_log[0].message)


@lru_cache
def _schema(file: Path) -> Any:  # noqa: ANN401 - of lxml
    from lxml import etree  # noqa: PLC0415

    try:
        tree = etree.parse(str(file))
        _relax(tree.getroot())
        return etree.XMLSchema(tree)
    except (etree.LxmlError, AttributeError, StopIteration) as error:
        raise ValueError(f"{file} is no schema of Tableau's REST API: {error}") from error


def _relax(root: Any) -> None:  # noqa: ANN401 - of lxml
    """Allow what the answers show that the vendor's own client is tested with."""
    # update_hyper_data's jobs are of a type that is not in the enumeration.
    kinds = _one(root, "complexType", "jobType").find(f"{_XS}attribute[@name='type']")
    restriction = next(kinds.iter(f"{_XS}restriction"))
    _add(restriction, "enumeration", value="UpdateUploadedFile")
    # A job has no notes until it ends.
    for name in ("extractRefreshJobType", "updateUploadedFileJobType"):
        _optional(_one(root, "complexType", name), "notes")
    # The list of jobs comes in pages.
    group = _one(root, "group", "paginatedResponseGroup")
    lists = group.findall(f"{_XS}sequence/{_XS}choice")[1]
    _add(lists, "element", name="backgroundJobs", type="backgroundJobListType")
    # The answer about the server has two values, and the API's version is no build number.
    for name in ("prepConductorVersion", "platform", "serverSettings"):
        _optional(_one(root, "complexType", "serverInfo"), name)
    version = next(_one(root, "simpleType", "restApiVersion").iter(f"{_XS}pattern"))
    version.set("value", r"[0-9]+\.[0-9]+")
    # The client asks for a refresh without saying of what once more.
    refresh = _one(root, "complexType", "taskExtractRefreshType")
    next(refresh.iter(f"{_XS}choice")).set("minOccurs", "0")


def _one(root: Any, kind: str, name: str) -> Any:  # noqa: ANN401 - of lxml
    return root.find(f"{_XS}{kind}[@name='{name}']")


def _optional(where: Any, name: str) -> None:  # noqa: ANN401 - of lxml
    where.find(f".//{_XS}element[@name='{name}']").set("minOccurs", "0")


def _add(where: Any, kind: str, **attributes: str) -> None:  # noqa: ANN401 - of lxml
    from lxml import etree  # noqa: PLC0415

    etree.SubElement(where, _XS + kind, attributes)
