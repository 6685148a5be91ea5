"""The one file that Airflow loads from plugins/ by itself: what Narration adds to the UI."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import conf

from narration import listeners
from narration.links.azure import AzureSynthesisResultLink
from narration.links.narration import NarrationFolderLink, NarrationM4bLink, NarrationManifestLink, NarrationMp3Link
from narration.links.paragraphs import TAB, URL_PREFIX, ParagraphsLink
from narration.links.polly import PollyConsoleLink, PollyOutputObjectLink
from narration.ui.mounted import ParagraphPages


class NarrationPlugin(AirflowPlugin):
    """Register the links of tasks, the pages of paragraphs, and what writes the note of a run that has ended."""

    name = "narration"
    operator_extra_links = [  # noqa: RUF012  (Airflow's own shape)
        PollyOutputObjectLink(),
        PollyConsoleLink(),
        AzureSynthesisResultLink(),
        ParagraphsLink(),
        NarrationFolderLink(),
        NarrationMp3Link(),
        NarrationM4bLink(),
        NarrationManifestLink(),
    ]
    fastapi_apps = [  # noqa: RUF012
        {"name": "narration", "app": ParagraphPages(), "url_prefix": URL_PREFIX},
    ]
    external_views = [TAB] if conf.getboolean("narration", "paragraphs_tab", fallback=True) else []
    listeners = [listeners]  # noqa: RUF012
