#include "text/jinja/str.h"

#include <algorithm>
#include <utility>

namespace quarry::jinja {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

size_t CountChars(std::string_view bytes) {
  return bytes.size() -
         static_cast<size_t>(std::count_if(bytes.begin(), bytes.end(), IsContinuation));
}

}  // namespace

Str::Str(Heap* heap, std::string bytes, std::vector<size_t> flips, bool markup)
    : Object(heap, sizeof(Str) + bytes.capacity() + flips.capacity() * sizeof(size_t)),
      bytes_(std::move(bytes)),
      flips_(std::move(flips)),
      n_chars_(CountChars(bytes_)),
      markup_(markup) {
  if (heap != nullptr) heap->StepBytes(bytes_.size());
}

size_t Str::Offset(size_t index) const {
  if (ascii()) return index;
  if (index == n_chars_) return bytes_.size();
  size_t offset = 0;
  for (size_t seen = 0; offset < bytes_.size(); ++offset) {
    if (!IsContinuation(bytes_[offset]) && seen++ == index) break;
  }
  return offset;
}

size_t Str::Index(size_t offset) const {
  return ascii() ? offset : CountChars(view().substr(0, offset));
}

bool FromUserAt(const std::vector<size_t>& flips, size_t offset) {
  return (std::upper_bound(flips.begin(), flips.end(), offset) - flips.begin()) % 2 == 1;
}

void StrBuilder::Grow(size_t bytes, size_t flips) {
  const size_t needed = bytes_.size() + bytes + (flips_.size() + flips) * sizeof(size_t);
  if (needed <= counted_) return;
  const size_t room = std::max(needed, 2 * counted_);
  heap_.Allocate(room - counted_);
  counted_ = room;
}

void StrBuilder::Append(std::string_view bytes, bool from_user) {
  if (bytes.empty()) return;
  Grow(bytes.size(), 1);
  SetOrigin(from_user);
  bytes_ += bytes;
}

void StrBuilder::Append(const Str& s, size_t begin, size_t end) {
  if (begin >= end) return;
  const auto& flips = s.flips();
  auto it = std::upper_bound(flips.begin(), flips.end(), begin);
  const auto last = std::lower_bound(it, flips.end(), end);
  Grow(end - begin, static_cast<size_t>(last - it) + 1);
  SetOrigin((it - flips.begin()) % 2 == 1);
  const size_t shift = bytes_.size();
  for (; it != last; ++it) flips_.push_back(*it - begin + shift);
  bytes_ += s.view().substr(begin, end - begin);
}

void StrBuilder::AppendReplaced(std::string_view bytes, const Str& s) {
  const size_t begin = bytes_.size();
  Append(s);
  bytes_.replace(begin, bytes.size(), bytes);
}

void StrBuilder::AppendLike(std::string_view bytes, const Str& s, size_t origin) {
  Append(bytes, s.any_user() && FromUserAt(s.flips(), origin));
}

StrPtr StrBuilder::Finish() {
  heap_.Release(std::exchange(counted_, 0));
  if (bytes_.capacity() > 2 * bytes_.size() + 64) bytes_.shrink_to_fit();
  auto result = std::make_shared<Str>(&heap_, std::move(bytes_), std::move(flips_), markup_);
  bytes_.clear();
  flips_.clear();
  return result;
}

}  // namespace quarry::jinja
