"""
The neural voices of Azure AI Speech, for forms and for hints when a name is mistyped.

The service's public list, 2026, without the HD voices, which few regions have. The list of the account's own region is
the authority and is asked before anything is bought; it may hold voices that are newer than this table.
"""

from __future__ import annotations

from dataclasses import dataclass

from narration.synthesis.azure_locales import LOCALES


@dataclass(frozen=True, kw_only=True)
class AzureVoice:
    """
    One voice.

    :param short_name: the name that the APIs take, such as ``en-US-JennyNeural``.
    :param locale: its own language and country.
    :param gender: ``female`` or ``male``.
    :param styles: ways of speaking that can be asked for.
    """

    short_name: str
    locale: str
    gender: str
    styles: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Describe the voice for a person: language, name, gender, styles."""
        name = self.short_name.removeprefix(f"{self.locale}-").removesuffix("Neural")
        styles = f"; {', '.join(self.styles)}" if self.styles else ""
        return f"{LOCALES[self.locale]}: {name} ({self.gender}{styles})"


# A locale, then F(emale) or M(ale) before the names; the short name is <locale>-<name>Neural.
_TABLE = """
af-ZA F Adri M Willem
am-ET F Mekdes M Ameha
ar-AE F Fatima M Hamdan
ar-BH F Laila M Ali
ar-DZ F Amina M Ismael
ar-EG F Salma M Shakir
ar-IQ F Rana M Bassel
ar-JO F Sana M Taim
ar-KW F Noura M Fahed
ar-LB F Layla M Rami
ar-LY F Iman M Omar
ar-MA F Mouna M Jamal
ar-OM F Aysha M Abdullah
ar-QA F Amal M Moaz
ar-SA F Zariyah M Hamed
ar-SY F Amany M Laith
ar-TN F Reem M Hedi
ar-YE F Maryam M Saleh
as-IN F Yashica M Priyom
az-AZ F Banu M Babek
bg-BG F Kalina M Borislav
bn-BD F Nabanita M Pradeep
bn-IN F Tanishaa M Bashkar
bs-BA F Vesna M Goran
ca-ES F Alba Joana M Enric
cs-CZ F Vlasta M Antonin
cy-GB F Nia M Aled
da-DK F Christel M Jeppe
de-AT F Ingrid M Jonas
de-CH F Leni M Jan
de-DE F Amala Elke Gisela Katja Klarissa Louisa Maja SeraphinaMultilingual Tanja M Bernd Christoph Conrad
de-DE M FlorianMultilingual Kasper Killian Klaus Ralf
el-GR F Athina M Nestoras
en-AU F Annette Carly Elsie Freya Joanne Kim Natasha Tina M Darren Duncan Ken Neil Tim WilliamMultilingual William
en-CA F Clara M Liam
en-GB F Abbi AdaMultilingual Bella Hollie Libby Maisie Olivia Sonia M Alfie Elliot Ethan Noah Oliver OllieMultilingual
en-GB M Ryan Thomas
en-HK F Yan M Sam
en-IE F Emily M Connor
en-IN F Aarti Aashi Ananya Kavya Neerja M Aarav Arjun Kunal Prabhat Rehaan
en-KE F Asilia M Chilemba
en-NG F Ezinne M Abeo
en-NZ F Molly M Mitchell
en-PH F Rosa M James
en-SG F Luna M Wayne
en-TZ F Imani M Elimu
en-US F AmandaMultilingual Amber Ana Aria Ashley AvaMultilingual Ava CoraMultilingual Cora Elizabeth EmmaMultilingual
en-US F Emma EvelynMultilingual Jane JennyMultilingual Jenny LolaMultilingual Luna Michelle Monica NancyMultilingual
en-US F Nancy PhoebeMultilingual Sara SerenaMultilingual M AdamMultilingual AndrewMultilingual Andrew
en-US M BrandonMultilingual Brandon BrianMultilingual Brian ChristopherMultilingual Christopher DavisMultilingual
en-US M Davis DerekMultilingual DustinMultilingual Eric Guy Jacob Jason Kai LewisMultilingual Roger RyanMultilingual
en-US M SamuelMultilingual SteffanMultilingual Steffan Tony
en-ZA F Leah M Luke
es-AR F Elena M Tomas
es-BO F Sofia M Marcelo
es-CL F Catalina M Lorenzo
es-CO F Salome M Gonzalo
es-CR F Maria M Juan
es-CU F Belkys M Manuel
es-DO F Ramona M Emilio
es-EC F Andrea M Luis
es-ES F Abril ArabellaMultilingual Elvira Estrella Irene IsidoraMultilingual Laia Lia Triana Vera XimenaMultilingual
es-ES F Ximena M Alvaro Arnau Dario Elias Nil Saul Teo TristanMultilingual
es-GQ F Teresa M Javier
es-GT F Marta M Andres
es-HN F Karla M Carlos
es-MX F Beatriz Candela Carlota DaliaMultilingual Dalia Larissa Marina Nuria Renata M Cecilio Gerardo
es-MX M JorgeMultilingual Jorge Liberto Luciano Pelayo Yago
es-NI F Yolanda M Federico
es-PA F Margarita M Roberto
es-PE F Camila M Alex
es-PR F Karina M Victor
es-PY F Tania M Mario
es-SV F Lorena M Rodrigo
es-US F Paloma M Alonso
es-UY F Valentina M Mateo
es-VE F Paola M Sebastian
et-EE F Anu M Kert
eu-ES F Ainhoa M Ander
fa-IR F Dilara M Farid
fi-FI F Noora Selma M Harri
fil-PH F Blessica M Angelo
fr-BE F Charline M Gerard
fr-CA F Sylvie M Antoine Jean Thierry
fr-CH F Ariane M Fabrice
fr-FR F Brigitte Celeste Coralie Denise Eloise Jacqueline Josephine VivienneMultilingual Yvette M Alain Claude Henri
fr-FR M Jerome LucienMultilingual Maurice RemyMultilingual Yves
ga-IE F Orla M Colm
gl-ES F Sabela M Roi
gu-IN F Dhwani M Niranjan
he-IL F Hila M Avri
hi-IN F Aarti Ananya Kavya Swara M Aarav Arjun Kunal Madhur Rehaan
hr-HR F Gabrijela M Srecko
hu-HU F Noemi M Tamas
hy-AM F Anahit M Hayk
id-ID F Gadis M Ardi
is-IS F Gudrun M Gunnar
it-IT F Elsa Fabiola Fiamma Imelda Irma IsabellaMultilingual Isabella Palmira Pierina M AlessioMultilingual Benigno
it-IT M Calimero Cataldo Diego Gianni GiuseppeMultilingual Lisandro MarcelloMultilingual Rinaldo
iu-Cans-CA F Siqiniq M Taqqiq
iu-Latn-CA F Siqiniq M Taqqiq
ja-JP F Aoi Mayu Nanami Shiori M Daichi Keita MasaruMultilingual Naoki
jv-ID F Siti M Dimas
ka-GE F Eka M Giorgi
kk-KZ F Aigul M Daulet
km-KH F Sreymom M Piseth
kn-IN F Sapna M Gagan
ko-KR F JiMin SeoHyeon SoonBok SunHi YuJin M BongJin GookMin HyunsuMultilingual Hyunsu InJoon
lo-LA F Keomany M Chanthavong
lt-LT F Ona M Leonas
lv-LV F Everita M Nils
mk-MK F Marija M Aleksandar
ml-IN F Sobhana M Midhun
mn-MN F Yesui M Bataa
mr-IN F Aarohi M Manohar
ms-MY F Yasmin M Osman
mt-MT F Grace M Joseph
my-MM F Nilar M Thiha
nb-NO F Iselin Pernille M Finn
ne-NP F Hemkala M Sagar
nl-BE F Dena M Arnaud
nl-NL F Colette Fenna M Maarten
or-IN F Subhasini M Sukant
pa-IN F Vaani M Ojas
pl-PL F Agnieszka Zofia M Marek
ps-AF F Latifa M GulNawaz
pt-BR F Brenda Elza Francisca Giovanna Leila Leticia Manuela ThalitaMultilingual Thalita Yara M Antonio Donato Fabio
pt-BR M Humberto Julio MacerioMultilingual Nicolau Valerio
pt-PT F Fernanda Raquel M Duarte
ro-RO F Alina M Emil
ru-RU F Dariya Svetlana M Dmitry
si-LK F Thilini M Sameera
sk-SK F Viktoria M Lukas
sl-SI F Petra M Rok
so-SO F Ubax M Muuse
sq-AL F Anila M Ilir
sr-Latn-RS F Sophie M Nicholas
sr-RS F Sophie M Nicholas
su-ID F Tuti M Jajang
sv-SE F Hillevi Sofie M Mattias
sw-KE F Zuri M Rafiki
sw-TZ F Rehema M Daudi
ta-IN F Pallavi M Valluvar
ta-LK F Saranya M Kumar
ta-MY F Kani M Surya
ta-SG F Venba M Anbu
te-IN F Shruti M Mohan
th-TH F Achara Premwadee M Niwat
tr-TR F Emel M Ahmet
uk-UA F Polina M Ostap
ur-IN F Gul M Salman
ur-PK F Uzma M Asad
uz-UZ F Madina M Sardor
vi-VN F HoaiMy M NamMinh
wuu-CN F Xiaotong M Yunzhe
yue-CN F XiaoMin M YunSong
zh-CN F XiaochenMultilingual Xiaochen Xiaohan Xiaomeng Xiaomo Xiaoqiu Xiaorou Xiaorui Xiaoshuang XiaoxiaoDialects
zh-CN F XiaoxiaoMultilingual Xiaoxiao Xiaoxuan Xiaoyan Xiaoyi Xiaoyou XiaoyuMultilingual Xiaozhen M YunfanMultilingual
zh-CN M Yunfeng Yunhao Yunjian Yunjie Yunxi Yunxia YunxiaoMultilingual Yunyang Yunye YunyiMultilingual Yunze
zh-CN-guangxi M Yunqi
zh-CN-henan M Yundeng
zh-CN-liaoning F Xiaobei
zh-CN-shaanxi F Xiaoni
zh-CN-shandong M Yunxiang
zh-CN-sichuan M Yunxi
zh-HK F HiuGaai HiuMaan M WanLung
zh-TW F HsiaoChen HsiaoYu M YunJhe
zu-ZA F Thando M Themba
"""

_STYLES = """
de-DE-ConradNeural: cheerful sad
en-GB-SoniaNeural: cheerful sad
es-ES-AlvaroNeural: cheerful sad
fr-FR-DeniseNeural: cheerful sad
fr-FR-HenriNeural: cheerful sad
en-GB-RyanNeural: chat cheerful sad whispering
en-IN-NeerjaNeural: cheerful empathetic newscast
hi-IN-SwaraNeural: cheerful empathetic newscast
en-US-AndrewMultilingualNeural: empathetic relieved
en-US-AriaNeural: angry chat cheerful customerservice empathetic excited friendly hopeful narration-professional
en-US-AriaNeural: newscast-casual newscast-formal sad shouting terrified unfriendly whispering
en-US-DavisNeural: angry chat cheerful excited friendly hopeful sad shouting terrified unfriendly whispering
en-US-GuyNeural: angry cheerful excited friendly hopeful newscast sad shouting terrified unfriendly whispering
en-US-JaneNeural: angry cheerful excited friendly hopeful sad shouting terrified unfriendly whispering
en-US-JasonNeural: angry cheerful excited friendly hopeful sad shouting terrified unfriendly whispering
en-US-NancyNeural: angry cheerful excited friendly hopeful sad shouting terrified unfriendly whispering
en-US-SaraNeural: angry cheerful excited friendly hopeful sad shouting terrified unfriendly whispering
en-US-TonyNeural: angry cheerful excited friendly hopeful sad shouting terrified unfriendly whispering
en-US-JennyNeural: angry assistant chat cheerful customerservice excited friendly hopeful newscast sad shouting
en-US-JennyNeural: terrified unfriendly whispering
en-US-KaiNeural: conversation
en-US-LunaNeural: conversation
es-MX-DaliaNeural: cheerful sad whispering
es-MX-JorgeNeural: chat cheerful excited sad whispering
it-IT-IsabellaNeural: chat cheerful
ja-JP-NanamiNeural: chat cheerful customerservice
ko-KR-InJoonNeural: sad
pt-BR-FranciscaNeural: calm
zh-CN-XiaohanNeural: affectionate angry calm cheerful disgruntled embarrassed fearful gentle sad serious
zh-CN-XiaomengNeural: chat
zh-CN-XiaoshuangNeural: chat
zh-CN-XiaomoNeural: affectionate angry calm cheerful depressed disgruntled embarrassed envious fearful gentle sad
zh-CN-XiaomoNeural: serious
zh-CN-XiaoruiNeural: angry calm fearful sad
zh-CN-XiaoxiaoNeural: affectionate angry assistant calm chat cheerful customerservice disgruntled fearful friendly
zh-CN-XiaoxiaoNeural: gentle lyrical newscast poetry-reading sad serious
zh-CN-XiaoxuanNeural: angry calm cheerful depressed disgruntled fearful gentle serious
zh-CN-XiaoyiNeural: affectionate angry cheerful disgruntled embarrassed fearful gentle sad serious
zh-CN-XiaozhenNeural: angry cheerful disgruntled fearful sad serious
zh-CN-YunfengNeural: angry cheerful depressed disgruntled fearful sad serious
zh-CN-YunhaoNeural: advertisement-upbeat
zh-CN-YunjianNeural: narration-relaxed sports-commentary sports-commentary-excited
zh-CN-YunxiNeural: angry assistant chat cheerful depressed disgruntled embarrassed fearful narration-relaxed newscast
zh-CN-YunxiNeural: sad serious
zh-CN-YunxiaNeural: angry calm cheerful fearful sad
zh-CN-YunyangNeural: customerservice narration-professional newscast-casual
zh-CN-YunyeNeural: angry calm cheerful disgruntled embarrassed fearful sad serious
zh-CN-YunzeNeural: angry calm cheerful depressed disgruntled documentary-narration fearful sad serious
"""


def _styles() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for line in _STYLES.strip().splitlines():
        name, _, words = line.partition(":")
        found[name] = (*found.get(name, ()), *words.split())
    return found


def _voices() -> dict[str, AzureVoice]:
    styles, found = _styles(), {}
    for line in _TABLE.strip().splitlines():
        locale, *words = line.split()
        gender = ""
        for word in words:
            if word in ("F", "M"):
                gender = {"F": "female", "M": "male"}[word]
                continue
            name = f"{locale}-{word}Neural"
            found[name] = AzureVoice(short_name=name, locale=locale, gender=gender, styles=styles.get(name, ()))
    return found


VOICES: dict[str, AzureVoice] = _voices()
"""Every voice of the table by its short name, ordered by locale and gender."""
