"""Everything that people read exists in both languages."""

import string

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from dispatcher.commands import COMMANDS
from dispatcher.i18n import FOLDER, LANGUAGES, locale, translations
from dispatcher.settings import PROJECT


def source_texts() -> set[str | tuple[str, ...]]:
    """What the extraction of locale/babel.cfg finds, and the commands' purposes."""
    with (FOLDER / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    keywords = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2), "_plural": (1, 2)}
    found = extract_from_dir(PROJECT, methods, options, keywords=keywords, directory_filter=_ours)
    return {message for _file, _line, message, _comments, _context in found} | {
        command.purpose for command in COMMANDS.values()
    }


def _ours(folder: str) -> bool:
    return not any(part.startswith(".") for part in folder.removeprefix(str(PROJECT)).split("/"))


def catalogue() -> dict[str | tuple[str, ...], str | tuple[str, ...]]:
    with (FOLDER / "en/LC_MESSAGES/athome.po").open("rb") as file:
        return {message.id: message.string for message in read_po(file) if message.id and not message.fuzzy}


def test_every_text_has_an_english_translation():
    """A text that is added or changed in a module or a template is named here until it is translated."""
    texts = source_texts()
    translated = catalogue()
    assert len(texts) > 150
    assert [] == sorted(str(text) for text in texts if not (translated.get(text) and all(translated[text])))


def test_no_translation_is_a_guess_or_of_a_text_that_is_gone():
    """Texts that the extraction does not find are named here too: they would not be missed either."""
    with (FOLDER / "en/LC_MESSAGES/athome.po").open("rb") as file:
        messages = [message for message in read_po(file, abort_invalid=True) if message.id]
    assert [] == [message.id for message in messages if message.fuzzy]
    assert [] == sorted(str(text) for text in {message.id for message in messages} - source_texts())
    assert len(messages) == len({message.id for message in messages})


def test_a_translation_names_what_its_text_names():
    """No placeholder is lost or misspelt, in {named} and in %(named)s texts alike."""
    for text, translation in catalogue().items():
        texts = text if isinstance(text, tuple) else (text,)
        translated = translation if isinstance(translation, tuple) else (translation,)
        for said in translated:
            assert _names(said) in [_names(form) for form in texts], said


def _names(text: str) -> set[str | None]:
    percent = {part.partition(")")[0] for part in text.split("%(")[1:]}
    return percent or {name for _literal, name, _spec, _conversion in string.Formatter().parse(text)} - {None}


@pytest.mark.parametrize(("count", "expected"), [(0, "um"), (1, "um"), (2, "muitos"), (400, "muitos")])
def test_portuguese_is_singular_up_to_one(count, expected):
    """Brazilians say 0 servidor and 2 servidores."""
    assert expected == translations("pt_BR").ngettext("um", "muitos", count)


@pytest.mark.parametrize("language", ["", "fr", "../../etc", "pt_BR\0"])
def test_a_language_that_there_is_none_for_is_portuguese(language):
    """A wrong setting or environment gives readable text, and reads no file elsewhere."""
    assert "falhou" == translations(language).gettext("falhou")
    assert "pt_BR" == str(locale(language))


def test_both_languages_are_offered():
    """English and Portuguese differ."""
    assert {"pt_BR", "en"} == set(LANGUAGES)
    assert "failed" == translations("en").gettext("falhou")
