"""The refusals of Polly, by the names they have on the wire."""

from __future__ import annotations

# Name -> HTTP status. Only these two differ from 400 and 403; SynthesisTaskNotFoundException is 400, not 404.
_STATUS = {
    "EngineNotSupportedException": 400,
    "InvalidLexiconException": 400,
    "InvalidNextTokenException": 400,
    "InvalidS3BucketException": 400,
    "InvalidS3KeyException": 400,
    "InvalidSampleRateException": 400,
    "InvalidSnsTopicArnException": 400,
    "InvalidSsmlException": 400,
    "InvalidTaskIdException": 400,
    "LanguageNotSupportedException": 400,
    "LexiconNotFoundException": 404,
    "LexiconSizeExceededException": 400,
    "MarksNotSupportedForFormatException": 400,
    "MaxLexemeLengthExceededException": 400,
    "MaxLexiconsNumberExceededException": 400,
    "SerializationException": 400,
    "ServiceFailureException": 500,
    "SsmlMarksNotSupportedForTextTypeException": 400,
    "SynthesisTaskNotFoundException": 400,
    "TextLengthExceededException": 400,
    "ThrottlingException": 400,
    "UnsupportedPlsAlphabetException": 400,
    "UnsupportedPlsLanguageException": 400,
    "ValidationException": 400,
    # The front end's own.
    "IncompleteSignatureException": 403,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "RequestEntityTooLargeException": 413,
    "UnknownOperationException": 404,
    "UnrecognizedClientException": 403,
}


class PollyError(Exception):
    """A refusal.

    :param name: the exception's name, as in the ``x-amzn-ErrorType`` header.
    :param message: what the caller reads.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message
        self.status = _STATUS[name]
