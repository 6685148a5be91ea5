"""The Regions of Polly, and the engines that each one has (developer guide 2026, service endpoints)."""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


STANDARD_REGIONS = _names(
    """af-south-1 ap-east-1 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-southeast-1 ap-southeast-2
    ap-southeast-5 ap-southeast-7 ca-central-1 eu-central-1 eu-central-2 eu-north-1 eu-south-2 eu-west-1 eu-west-2
    eu-west-3 me-south-1 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2 cn-northwest-1 us-gov-west-1
    eusc-de-east-1"""
)
NEURAL_REGIONS = _names(
    """us-east-1 us-west-2 af-south-1 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-southeast-1
    ap-southeast-2 ap-southeast-5 ca-central-1 eu-central-1 eu-west-1 eu-west-2 eu-west-3 eu-south-2
    us-gov-west-1"""
)
LONG_FORM_REGIONS = frozenset({"us-east-1"})
# Three of these have a subset of the voices; which one is not documented, so here they have all.
GENERATIVE_REGIONS = _names(
    """us-east-1 us-west-2 eu-central-1 eu-central-2 eu-west-2 ca-central-1 ap-northeast-1 ap-northeast-2
    ap-southeast-1 ap-southeast-2"""
)
ENGINES = ("standard", "neural", "long-form", "generative")
REGIONS_OF_ENGINE = {
    "standard": STANDARD_REGIONS,
    "neural": NEURAL_REGIONS,
    "long-form": LONG_FORM_REGIONS,
    "generative": GENERATIVE_REGIONS,
}
REGIONS = STANDARD_REGIONS


def engines_in(region: str) -> tuple[str, ...]:
    return tuple(engine for engine in ENGINES if region in REGIONS_OF_ENGINE[engine])


def partition_of(region: str) -> str:
    """The first part of an ARN."""
    if region.startswith("cn-"):
        return "aws-cn"
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws-eusc" if region.startswith("eusc-") else "aws"


def host_suffix_of(region: str) -> str:
    """What follows ``s3.<region>.``; outside the commercial partition it is inferred, not documented."""
    return {"aws-cn": "amazonaws.com.cn", "aws-eusc": "amazonaws.eu"}.get(partition_of(region), "amazonaws.com")
