#include "eval/svg.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "base/utf8.h"

namespace quarry::eval {
namespace {

std::string Escaped(std::string_view text) {
  std::string out;
  for (char c : ReplaceInvalidUtf8(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // XML has no other control characters.
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

std::string Tip(std::string_view element, std::string_view tip) {
  if (tip.empty()) return "/>\n";
  return fmt::format("><title>{}</title></{}>\n", Escaped(tip), element);
}

}  // namespace

std::string HexColour(Colour c) {
  return fmt::format("#{:02X}{:02X}{:02X}", c.red, c.green, c.blue);
}

Colour ScaleColour(double value, Colour at_zero, Colour at_half, Colour at_one) {
  const double v = std::isnan(value) ? 0 : std::clamp(value, 0.0, 1.0) * 2;
  const Colour& from = v <= 1 ? at_zero : at_half;
  const Colour& to = v <= 1 ? at_half : at_one;
  const double share = v <= 1 ? v : v - 1;
  const auto mix = [&](uint8_t a, uint8_t b) {
    return static_cast<uint8_t>(std::lround(a + (b - a) * share));
  };
  return {mix(from.red, to.red), mix(from.green, to.green), mix(from.blue, to.blue)};
}

SvgWriter::SvgWriter(double width, double height) : width_(width), height_(height) {}

void SvgWriter::Rectangle(double x, double y, double width, double height, Colour fill,
                          std::string_view tip) {
  body_ += fmt::format(R"(<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" fill="{}")", x,
                       y, width, height, HexColour(fill)) +
           Tip("rect", tip);
}

void SvgWriter::Line(double x1, double y1, double x2, double y2, Colour colour, double width) {
  body_ += fmt::format(
      R"(<line x1="{:.2f}" y1="{:.2f}" x2="{:.2f}" y2="{:.2f}" stroke="{}" stroke-width="{:.2f}"/>)"
      "\n",
      x1, y1, x2, y2, HexColour(colour), width);
}

void SvgWriter::Text(double x, double y, std::string_view text, double size, TextAnchor anchor,
                     double degrees) {
  const char* where = anchor == TextAnchor::kStart    ? "start"
                      : anchor == TextAnchor::kMiddle ? "middle"
                                                      : "end";
  body_ += fmt::format(R"(<text x="{:.2f}" y="{:.2f}" font-size="{:.1f}" text-anchor="{}")", x, y,
                       size, where);
  if (degrees != 0) {
    body_ += fmt::format(R"_( transform="rotate({:.1f} {:.2f} {:.2f})")_", degrees, x, y);
  }
  body_ += fmt::format(">{}</text>\n", Escaped(text));
}

void SvgWriter::Circle(double x, double y, double radius, Colour fill, std::string_view tip) {
  body_ += fmt::format(R"(<circle cx="{:.2f}" cy="{:.2f}" r="{:.2f}" fill="{}")", x, y, radius,
                       HexColour(fill)) +
           Tip("circle", tip);
}

std::string SvgWriter::Finish() const {
  return fmt::format(
      R"(<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}" font-family="sans-serif" fill="#222222">
<rect width="100%" height="100%" fill="#FFFFFF"/>
{2}</svg>
)",
      width_, height_, body_);
}

}  // namespace quarry::eval
