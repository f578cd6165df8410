// The byte-level alphabet of GPT-2: a printable character for each of the 256 bytes. Bytes that are
// printable characters of Latin-1 stand for themselves; the others, in order, are U+0100 and up.
#pragma once

#include <string>
#include <string_view>

namespace quarry::text {

// Appends a letter for each byte of `bytes`.
void AppendByteLetters(std::string_view bytes, std::string& out);

// Appends the bytes that `letters` stand for and returns true; appends nothing and returns false if
// a character is not of the alphabet.
bool AppendLetterBytes(std::string_view letters, std::string& out);

}  // namespace quarry::text
