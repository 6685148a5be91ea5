"""What Long Audio refuses, in the words of the vendor's page, with the codes of its schema."""

from __future__ import annotations

from include.local_cloud.azure.errors import AzureError

_INVALID = "InvalidRequest"


def _invalid(message: str, inner_code: str) -> AzureError:
    return AzureError(400, _INVALID, message, inner_code=inner_code)


# Create, in the order of the page


def region_without_synthesis() -> AzureError:
    return _invalid("The voice synthesis is not enabled in this region.", "InvalidVoiceSynthesis")


def tier_not_standard() -> AzureError:
    return _invalid("Only the Standard speech subscription for this region is valid.", "SkuLimitsExist")


def too_many_stored(limit: int) -> AzureError:
    return _invalid(
        f"Exceed the {limit:,} request limit for the Azure account. Remove some requests before submitting new ones.",
        "QuotaViolation",
    )


def model_unusable(model: str) -> AzureError:
    return _invalid(f"This model cannot be used in the voice synthesis: {model}.", "ModelDeploymentNotCompleteState")


def model_elsewhere(model: str) -> AzureError:
    return _invalid(f"The region for the request does not match the region for the model: {model}.", "InvalidModel")


def not_utf8_with_bom() -> AzureError:
    return _invalid(
        "The voice synthesis only supports the text file in the UTF-8 encoding with the byte-order marker.",
        "NoUtf8WithBom",
    )


def invalid_ssml() -> AzureError:
    return _invalid("Only valid SSML inputs are allowed in the voice synthesis request.", "InvalidPayload")


def voice_not_in_script(name: str) -> AzureError:
    return _invalid(f"The voice name {name} is not found in the input file.", "InvalidPayload")


def too_many_paragraphs(limit: int) -> AzureError:
    return _invalid(f"The number of paragraphs in the input file should be less than {limit:,}.", "InvalidPayload")


def too_few_characters(limit: int) -> AzureError:
    return _invalid(f"The input file should be more than {limit} characters.", "InvalidPayload")


def model_unknown(model: str) -> AzureError:
    message = f"The model declared in the voice synthesis definition cannot be found: {model}."
    return AzureError(404, "NotFound", message, inner_code="InvalidModel")


def too_many_active() -> AzureError:
    # No Retry-After: nobody can say when a job will be done.
    message = "Exceed the active voice synthesis limit. Wait until some requests finish."
    return AzureError(429, "TooManyRequests", message, inner_code="QuotaViolation")


# Other calls


def still_in_use() -> AzureError:
    return _invalid("The voice synthesis task is still in use.", "InUseViolation")


def not_found(*, status: int = 404) -> AzureError:
    return AzureError(status, "NotFound", "The specified entity cannot be found.")


def too_many_requests(retry_after: int) -> AzureError:
    return AzureError(429, "TooManyRequests", "There are too many requests.", headers={"Retry-After": str(retry_after)})


# What the page does not list; some of it is in the schema


def field_missing(name: str) -> AzureError:
    return _invalid(f"The field {name} is required.", "InvalidPayload")


def field_invalid(name: str, reason: str) -> AzureError:
    return AzureError(400, _INVALID, f"The field {name} is invalid: {reason}", inner_code="InvalidPayload", target=name)


def format_unknown(value: str) -> AzureError:
    message = f"The output format is not supported: {value}."
    return AzureError(400, _INVALID, message, inner_code="InvalidParameterValue", target="outputFormat")


def locale_unknown(value: str) -> AzureError:
    return AzureError(
        400, _INVALID, f"The locale is not supported: {value}.", inner_code="InvalidLocale", target="locale"
    )


def parameter_invalid(message: str, *, inner_code: str = "InvalidParameter") -> AzureError:
    return _invalid(message, inner_code)


def container_unusable() -> AzureError:
    message = "The destination container cannot be accessed with the given URL."
    return _invalid(message, "InaccessibleCustomerStorage")
