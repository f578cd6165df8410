#include "text/sentencepiece_proto.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/vocabulary.h"

namespace quarry::text {
namespace {

static_assert(std::endian::native == std::endian::little);

// One field of a protocol buffer message.
struct Field {
  uint64_t number = 0;
  uint64_t value = 0;      // of a varint or a fixed-size field
  std::string_view bytes;  // of a length-delimited field
};

// Steps through the fields of one message. Stops at the end or at the first malformed byte.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : bytes_(bytes) {}

  bool Next(Field& field) {
    if (pos_ == bytes_.size()) return false;
    field = {};
    uint64_t key = 0;
    ok_ = Varint(key);
    field.number = key >> 3;
    switch (key & 7) {
      case 0:
        ok_ = ok_ && Varint(field.value);
        break;
      case 1:
        ok_ = ok_ && Fixed(8, field.value);
        break;
      case 2:
        ok_ = ok_ && Bytes(field.bytes);
        break;
      case 5:
        ok_ = ok_ && Fixed(4, field.value);
        break;
      default:
        ok_ = false;
    }
    return ok_;
  }
  bool ok() const { return ok_; }
  size_t position() const { return pos_; }

 private:
  bool Varint(uint64_t& out) {
    out = 0;
    for (int shift = 0; shift < 64 && pos_ < bytes_.size(); shift += 7) {
      const auto b = static_cast<uint8_t>(bytes_[pos_++]);
      out |= static_cast<uint64_t>(b & 0x7F) << shift;
      if (b < 0x80) return true;
    }
    return false;
  }
  bool Fixed(size_t n, uint64_t& out) {
    if (bytes_.size() - pos_ < n) return false;
    out = 0;
    std::memcpy(&out, bytes_.data() + pos_, n);
    pos_ += n;
    return true;
  }
  bool Bytes(std::string_view& out) {
    uint64_t n = 0;
    if (!Varint(n) || n > bytes_.size() - pos_) return false;
    out = bytes_.substr(pos_, n);
    pos_ += n;
    return true;
  }

  std::string_view bytes_;
  size_t pos_ = 0;
  bool ok_ = true;
};

Status Malformed(std::string_view what, const FieldReader& reader) {
  return CorruptData(
      fmt::format("SentencePiece model: malformed {} near its byte {}", what, reader.position()));
}

Status ReadPiece(std::string_view bytes, SentencePieceFile& file) {
  SentencePieceFile::Piece piece;
  const size_t id = file.pieces.size();
  FieldReader reader(bytes);
  for (Field f; reader.Next(f);) {
    if (f.number == 1) piece.text = f.bytes;
    if (f.number == 2) piece.score = std::bit_cast<float>(static_cast<uint32_t>(f.value));
    if (f.number == 3) {
      if (f.value < 1 || f.value > 6) {
        return CorruptData(fmt::format("SentencePiece model: piece {} has type {}", id, f.value));
      }
      piece.type = static_cast<SentencePieceFile::PieceType>(f.value);
    }
  }
  if (!reader.ok()) return Malformed(fmt::format("piece {}", id), reader);
  if (piece.text.empty() || !IsValidUtf8(piece.text)) {
    return CorruptData(fmt::format("SentencePiece model: piece {} is empty or not UTF-8", id));
  }
  if (!std::isfinite(piece.score)) {
    return CorruptData(fmt::format("SentencePiece model: the score of piece {} is not finite", id));
  }
  file.pieces.push_back(std::move(piece));
  return OkStatus();
}

Status ReadTrainerSpec(std::string_view bytes, SentencePieceFile& file) {
  FieldReader reader(bytes);
  for (Field f; reader.Next(f);) {
    switch (f.number) {
      case 3:
        if (f.value < 1 || f.value > 4) {
          return CorruptData(fmt::format("SentencePiece model: model_type is {}", f.value));
        }
        file.model_type = static_cast<SentencePieceFile::ModelType>(f.value);
        break;
      case 24:
        file.treat_whitespace_as_suffix = f.value != 0;
        break;
      case 35:
        file.byte_fallback = f.value != 0;
        break;
      case 46:
        file.bos_piece = f.bytes;
        break;
      case 47:
        file.eos_piece = f.bytes;
        break;
      default:
        break;
    }
  }
  return reader.ok() ? OkStatus() : Malformed("trainer_spec", reader);
}

Status ReadNormalizerSpec(std::string_view bytes, SentencePieceFile& file) {
  FieldReader reader(bytes);
  for (Field f; reader.Next(f);) {
    switch (f.number) {
      case 2:
        file.charsmap = f.bytes;
        break;
      case 3:
        file.add_dummy_prefix = f.value != 0;
        break;
      case 4:
        file.remove_extra_whitespaces = f.value != 0;
        break;
      case 5:
        file.escape_whitespaces = f.value != 0;
        break;
      default:
        break;
    }
  }
  return reader.ok() ? OkStatus() : Malformed("normalizer_spec", reader);
}

Status ReadDenormalizerSpec(std::string_view bytes, SentencePieceFile& file) {
  FieldReader reader(bytes);
  for (Field f; reader.Next(f);) {
    if (f.number == 2 && !f.bytes.empty()) file.has_denormalizer = true;
  }
  return reader.ok() ? OkStatus() : Malformed("denormalizer_spec", reader);
}

}  // namespace

Result<SentencePieceFile> ParseSentencePieceFile(std::string_view bytes) {
  SentencePieceFile file;
  FieldReader reader(bytes);
  for (Field f; reader.Next(f);) {
    Status s;
    switch (f.number) {
      case 1:
        s = ReadPiece(f.bytes, file);
        break;
      case 2:
        s = ReadTrainerSpec(f.bytes, file);
        break;
      case 3:
        s = ReadNormalizerSpec(f.bytes, file);
        break;
      case 5:
        s = ReadDenormalizerSpec(f.bytes, file);
        break;
      default:
        break;
    }
    if (!s.ok()) return s;
    if (file.pieces.size() > static_cast<size_t>(kMaxTokenIds)) {
      return Unsupported(fmt::format("SentencePiece model: more than {} pieces", kMaxTokenIds));
    }
  }
  if (!reader.ok()) return Malformed("file", reader);
  if (file.pieces.empty()) return CorruptData("SentencePiece model: the file has no pieces");
  return file;
}

}  // namespace quarry::text
