// Case of whole strings, as Python's str methods and Jinja's filters give it, within the letters
// that characters.h maps.
#pragma once
#include "runtime/text/template/marked_text.h"

namespace shoal::text::jinja {

MarkedText upper_case(const MarkedText& text);
MarkedText lower_case(const MarkedText& text);
MarkedText swapped_case(const MarkedText& text);
MarkedText capitalized(const MarkedText& text);  // the first character up, the rest down
MarkedText title_case(const MarkedText& text);   // str.title(): a word is a run of letters
MarkedText title_words(const MarkedText& text);  // the title filter: words split at space - ( [ { <

}  // namespace shoal::text::jinja
