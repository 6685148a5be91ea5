"""Azure's neural voices by locale and gender, with what they can express (voice list of 2022, and later additions)."""

from __future__ import annotations

# Locale, then F(emale) or M(ale) before the names; behind "=" the name in the voice's own language, "_" for a space.
# The short name is <locale>-<name>Neural.
ROSTER = """
af-ZA F Adri M Willem
am-ET F Mekdes=መቅደስ M Ameha=አምሀ
ar-AE F Fatima=فاطمة M Hamdan=حمدان
ar-BH F Laila=ليلى M Ali=علي
ar-DZ F Amina=أمينة M Ismael=إسماعيل
ar-EG F Salma=سلمى M Shakir=شاكر
ar-IQ F Rana=رنا M Bassel=باسل
ar-JO F Sana=سناء M Taim=تيم
ar-KW F Noura=نورا M Fahed=فهد
ar-LB F Layla=ليلى M Rami=رامي
ar-LY F Iman=إيمان M Omar=أحمد
ar-MA F Mouna=منى M Jamal=جمال
ar-OM F Aysha=عائشة M Abdullah=عبدالله
ar-QA F Amal=أمل M Moaz=معاذ
ar-SA F Zariyah=زارية M Hamed=حامد
ar-SY F Amany=أماني M Laith=ليث
ar-TN F Reem=ريم M Hedi=هادي
ar-YE F Maryam=مريم M Saleh=صالح
as-IN F Yashica M Priyom
az-AZ F Banu M Babek=Babək
bg-BG F Kalina=Калина M Borislav=Борислав
bn-BD F Nabanita=নবনীতা M Pradeep=প্রদ্বীপ
bn-IN F Tanishaa=তানিশা M Bashkar=ভাস্কর
bs-BA F Vesna M Goran
ca-ES F Alba Joana M Enric
cs-CZ F Vlasta M Antonin=Antonín
cy-GB F Nia M Aled
da-DK F Christel M Jeppe
de-AT F Ingrid M Jonas
de-CH F Leni M Jan
de-DE F Amala Elke Gisela Katja Klarissa Louisa Maja SeraphinaMultilingual Tanja M Bernd Christoph Conrad
de-DE M FlorianMultilingual Kasper Killian Klaus Ralf
el-GR F Athina=Αθηνά M Nestoras=Νέστορας
en-AU F Annette Carly Elsie Freya Joanne Kim Natasha Tina M Darren Duncan Ken Neil Tim William
en-AU M WilliamMultilingual
en-CA F Clara M Liam
en-GB F Abbi AdaMultilingual Bella Hollie Libby Maisie Olivia Sonia M Alfie Elliot Ethan Noah Oliver
en-GB M OllieMultilingual Ryan Thomas
en-HK F Yan M Sam
en-IE F Emily M Connor
en-IN F Aarti Aashi Ananya Kavya Neerja M Aarav Arjun Kunal Prabhat Rehaan
en-KE F Asilia M Chilemba
en-NG F Ezinne M Abeo
en-NZ F Molly M Mitchell
en-PH F Rosa M James
en-SG F Luna M Wayne
en-TZ F Imani M Elimu
en-US F AmandaMultilingual Amber Ana Aria Ashley Ava AvaMultilingual Cora CoraMultilingual Elizabeth Emma
en-US F EmmaMultilingual EvelynMultilingual Jane Jenny JennyMultilingual LolaMultilingual Luna Michelle Monica
en-US F Nancy NancyMultilingual PhoebeMultilingual Sara SerenaMultilingual M AdamMultilingual Andrew
en-US M AndrewMultilingual Brandon BrandonMultilingual Brian BrianMultilingual Christopher
en-US M ChristopherMultilingual Davis DavisMultilingual DerekMultilingual DustinMultilingual Eric Guy Jacob
en-US M Jason Kai LewisMultilingual Roger RyanMultilingual SamuelMultilingual Steffan SteffanMultilingual Tony
en-ZA F Leah M Luke
es-AR F Elena M Tomas
es-BO F Sofia M Marcelo
es-CL F Catalina M Lorenzo
es-CO F Salome M Gonzalo
es-CR F Maria=María M Juan
es-CU F Belkys M Manuel
es-DO F Ramona M Emilio
es-EC F Andrea M Luis
es-ES F Abril ArabellaMultilingual Elvira Estrella Irene IsidoraMultilingual Laia Lia Triana Vera Ximena
es-ES F XimenaMultilingual M Alvaro=Álvaro Arnau Dario Elias Nil Saul Teo TristanMultilingual
es-GQ F Teresa M Javier
es-GT F Marta M Andres=Andrés
es-HN F Karla M Carlos
es-MX F Beatriz Candela Carlota Dalia DaliaMultilingual Larissa Marina Nuria Renata M Cecilio Gerardo Jorge
es-MX M JorgeMultilingual Liberto Luciano Pelayo Yago
es-NI F Yolanda M Federico
es-PA F Margarita M Roberto
es-PE F Camila M Alex
es-PR F Karina M Victor=Víctor
es-PY F Tania M Mario
es-SV F Lorena M Rodrigo
es-US F Paloma M Alonso
es-UY F Valentina M Mateo
es-VE F Paola M Sebastian=Sebastián
et-EE F Anu M Kert
eu-ES F Ainhoa M Ander
fa-IR F Dilara=دلارا M Farid=فرید
fi-FI F Noora Selma M Harri
fil-PH F Blessica M Angelo
fr-BE F Charline M Gerard
fr-CA F Sylvie M Antoine Jean Thierry
fr-CH F Ariane M Fabrice
fr-FR F Brigitte Celeste Coralie Denise Eloise Jacqueline Josephine VivienneMultilingual Yvette M Alain Claude
fr-FR M Henri Jerome LucienMultilingual Maurice RemyMultilingual Yves
ga-IE F Orla M Colm
gl-ES F Sabela M Roi
gu-IN F Dhwani=ધ્વની M Niranjan=નિરંજન
he-IL F Hila=הילה M Avri=אברי
hi-IN F Aarti Ananya Kavya Swara=स्वरा M Aarav Arjun Kunal Madhur=मधुर Rehaan
hr-HR F Gabrijela M Srecko=Srećko
hu-HU F Noemi=Noémi M Tamas=Tamás
hy-AM F Anahit=Անահիտ M Hayk=Հայկ
id-ID F Gadis M Ardi
is-IS F Gudrun=Guðrún M Gunnar
it-IT F Elsa Fabiola Fiamma Imelda Irma Isabella IsabellaMultilingual Palmira Pierina M AlessioMultilingual
it-IT M Benigno Calimero Cataldo Diego Gianni GiuseppeMultilingual Lisandro MarcelloMultilingual Rinaldo
iu-Cans-CA F Siqiniq M Taqqiq
iu-Latn-CA F Siqiniq M Taqqiq
ja-JP F Aoi=碧衣 Mayu=真夕 Nanami=七海 Shiori=志織 M Daichi=大智 Keita=圭太 MasaruMultilingual=勝_多言語
ja-JP M Naoki=直紀
jv-ID F Siti M Dimas
ka-GE F Eka=ეკა M Giorgi=გიორგი
kk-KZ F Aigul=Айгүл M Daulet=Дәулет
km-KH F Sreymom=ស្រីមុំ M Piseth=ពិសិដ្ឋ
kn-IN F Sapna=ಸಪ್ನಾ M Gagan=ಗಗನ್
ko-KR F JiMin=지민 SeoHyeon=서현 SoonBok=순복 SunHi=선히 YuJin=유진 M BongJin=봉진 GookMin=국민 Hyunsu=현수
ko-KR M HyunsuMultilingual=현수_다국어 InJoon=인준
lo-LA F Keomany=ແກ້ວມະນີ M Chanthavong=ຈັນທະວົງ
lt-LT F Ona M Leonas
lv-LV F Everita M Nils
mk-MK F Marija=Марија M Aleksandar=Александар
ml-IN F Sobhana=ശോഭന M Midhun=മിഥുൻ
mn-MN F Yesui=Есүй M Bataa=Батаа
mr-IN F Aarohi=आरोही M Manohar=मनोहर
ms-MY F Yasmin M Osman
mt-MT F Grace M Joseph
my-MM F Nilar=နီလာ M Thiha=သီဟ
nb-NO F Iselin Pernille M Finn
ne-NP F Hemkala=हेमकला M Sagar=सागर
nl-BE F Dena M Arnaud
nl-NL F Colette Fenna M Maarten
or-IN F Subhasini M Sukant
pa-IN F Vaani M Ojas
pl-PL F Agnieszka Zofia M Marek
ps-AF F Latifa=لطيفه M GulNawaz=_ګل_نواز
pt-BR F Brenda Elza Francisca Giovanna Leila Leticia Manuela Thalita ThalitaMultilingual Yara M Antonio=Antônio
pt-BR M Donato Fabio Humberto Julio MacerioMultilingual Nicolau Valerio
pt-PT F Fernanda Raquel M Duarte
ro-RO F Alina M Emil
ru-RU F Dariya=Дария Svetlana=Светлана M Dmitry=Дмитрий
si-LK F Thilini=තිළිණි M Sameera=සමීර
sk-SK F Viktoria=Viktória M Lukas=Lukáš
sl-SI F Petra M Rok
so-SO F Ubax M Muuse
sq-AL F Anila M Ilir
sr-Latn-RS F Sophie M Nicholas
sr-RS F Sophie=Софија M Nicholas=Никола
su-ID F Tuti M Jajang
sv-SE F Hillevi Sofie M Mattias
sw-KE F Zuri M Rafiki
sw-TZ F Rehema M Daudi
ta-IN F Pallavi=பல்லவி M Valluvar=வள்ளுவர்
ta-LK F Saranya=சரண்யா M Kumar=குமார்
ta-MY F Kani=கனி M Surya=சூர்யா
ta-SG F Venba=வெண்பா M Anbu=அன்பு
te-IN F Shruti=శ్రుతి M Mohan=మోహన్
th-TH F Achara=อัจฉรา Premwadee=เปรมวดี M Niwat=นิวัฒน์
tr-TR F Emel M Ahmet
uk-UA F Polina=Поліна M Ostap=Остап
ur-IN F Gul=گل M Salman=سلمان
ur-PK F Uzma=عظمیٰ M Asad=اسد
uz-UZ F Madina M Sardor
vi-VN F HoaiMy=Hoài_My M NamMinh=Nam_Minh
wuu-CN F Xiaotong=晓彤 M Yunzhe=云哲
yue-CN F XiaoMin=晓敏 M YunSong=云松
zh-CN F Xiaochen=晓辰 XiaochenMultilingual=晓辰_多语言 Xiaohan=晓涵 Xiaomeng=晓梦 Xiaomo=晓墨 Xiaoqiu=晓秋
zh-CN F Xiaorou Xiaorui=晓睿 Xiaoshuang=晓双 Xiaoxiao=晓晓 XiaoxiaoDialects XiaoxiaoMultilingual=晓晓_多语言
zh-CN F Xiaoxuan=晓萱 Xiaoyan=晓颜 Xiaoyi=晓伊 Xiaoyou=晓悠 XiaoyuMultilingual=晓雨_多语言 Xiaozhen=晓甄 M
zh-CN M YunfanMultilingual=云帆_多语言 Yunfeng=云枫 Yunhao=云皓 Yunjian=云健 Yunjie Yunxi=云希 Yunxia=云夏
zh-CN M YunxiaoMultilingual=云霄_多语言 Yunyang=云扬 Yunye=云野 YunyiMultilingual=云逸_多语言 Yunze=云泽
zh-CN-guangxi M Yunqi
zh-CN-henan M Yundeng=云登
zh-CN-liaoning F Xiaobei=晓北
zh-CN-shaanxi F Xiaoni=晓妮
zh-CN-shandong M Yunxiang=云翔
zh-CN-sichuan M Yunxi=云希
zh-HK F HiuGaai=曉佳 HiuMaan=曉曼 M WanLung=雲龍
zh-TW F HsiaoChen=曉臻 HsiaoYu=曉雨 M YunJhe=雲哲
zu-ZA F Thando M Themba
"""

# Voices, ":" and the styles that they share; a voice may come again.
STYLES = """
de-DE-Conrad en-GB-Sonia es-ES-Alvaro fr-FR-Denise fr-FR-Henri: cheerful sad
en-GB-Ryan: chat cheerful sad whispering
en-IN-Neerja hi-IN-Swara: cheerful empathetic newscast
en-US-AndrewMultilingual: empathetic relieved
en-US-Aria: angry chat cheerful customerservice empathetic excited friendly hopeful narration-professional
en-US-Aria: newscast-casual newscast-formal sad shouting terrified unfriendly whispering
en-US-Davis: angry chat cheerful excited friendly hopeful sad shouting terrified unfriendly whispering
en-US-Guy: angry cheerful excited friendly hopeful newscast sad shouting terrified unfriendly whispering
en-US-Jane en-US-Jason en-US-Nancy en-US-Sara en-US-Tony: angry cheerful excited friendly hopeful sad shouting
en-US-Jane en-US-Jason en-US-Nancy en-US-Sara en-US-Tony: terrified unfriendly whispering
en-US-Jenny: angry assistant chat cheerful customerservice excited friendly hopeful newscast sad shouting
en-US-Jenny: terrified unfriendly whispering
en-US-Kai en-US-Luna: conversation
es-MX-Dalia: cheerful sad whispering
es-MX-Jorge: chat cheerful excited sad whispering
it-IT-Isabella: chat cheerful
ja-JP-Nanami: chat cheerful customerservice
ko-KR-InJoon: sad
pt-BR-Francisca: calm
zh-CN-Xiaohan: affectionate angry calm cheerful disgruntled embarrassed fearful gentle sad serious
zh-CN-Xiaomeng zh-CN-Xiaoshuang: chat
zh-CN-Xiaomo: affectionate angry calm cheerful depressed disgruntled embarrassed envious fearful gentle sad
zh-CN-Xiaomo: serious
zh-CN-Xiaorui: angry calm fearful sad
zh-CN-Xiaoxiao: affectionate angry assistant calm chat cheerful customerservice disgruntled fearful friendly
zh-CN-Xiaoxiao: gentle lyrical newscast poetry-reading sad serious
zh-CN-Xiaoxuan: angry calm cheerful depressed disgruntled fearful gentle serious
zh-CN-Xiaoyi: affectionate angry cheerful disgruntled embarrassed fearful gentle sad serious
zh-CN-Xiaozhen: angry cheerful disgruntled fearful sad serious
zh-CN-Yunfeng: angry cheerful depressed disgruntled fearful sad serious
zh-CN-Yunhao: advertisement-upbeat
zh-CN-Yunjian: narration-relaxed sports-commentary sports-commentary-excited
zh-CN-Yunxi: angry assistant chat cheerful depressed disgruntled embarrassed fearful narration-relaxed newscast
zh-CN-Yunxi: sad serious
zh-CN-Yunxia: angry calm cheerful fearful sad
zh-CN-Yunyang: customerservice narration-professional newscast-casual
zh-CN-Yunye: angry calm cheerful disgruntled embarrassed fearful sad serious
zh-CN-Yunze: angry calm cheerful depressed disgruntled documentary-narration fearful sad serious
"""

ROLES = """
zh-CN-Xiaomo zh-CN-Xiaoxuan zh-CN-Yunye: YoungAdultFemale YoungAdultMale OlderAdultFemale OlderAdultMale
zh-CN-Xiaomo zh-CN-Xiaoxuan zh-CN-Yunye: SeniorFemale SeniorMale Girl Boy
zh-CN-Yunxi: Narrator YoungAdultMale Boy
zh-CN-Yunze: OlderAdultMale SeniorMale
"""

# The others are generally available.
PREVIEW = frozenset(
    {
        "en-US-KaiNeural",
        "en-US-LunaNeural",
        "iu-Cans-CA-SiqiniqNeural",
        "iu-Cans-CA-TaqqiqNeural",
        "iu-Latn-CA-SiqiniqNeural",
        "iu-Latn-CA-TaqqiqNeural",
    }
)
