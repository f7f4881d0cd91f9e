import type { Credits } from "#shared/domain/analysis.ts";

/** What a result says about itself. Of the input's metadata there are the credits at most: no camera, no place. */
export interface ResultMetadata {
  /** The program that made it, with its version. */
  software: string;
  /** One sentence for people; optional. */
  description?: string;
  /** Of the photograph, where they are to be kept. */
  credits?: Credits;
}

/**
 * The IPTC term for a picture in which a trained model composed parts anew; the value by which platforms label
 * restored and enlarged photographs as machine-made.
 */
const digitalSourceType =
  "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia";

/** An XMP packet (ISO 16684-1) that names the program and marks the picture as restored by a machine. */
export function xmpPacket({ software, description, credits = {} }: ResultMetadata): string {
  const told =
    description === undefined
      ? ""
      : `<dc:description><rdf:Alt><rdf:li xml:lang="x-default">${escapeXml(description)}</rdf:li></rdf:Alt></dc:description>`;
  return [
    `<?xpacket begin="\uFEFF" id="W5M0MpCehiHzreSzNTczkc9d"?>`,
    `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">`,
    `<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"`,
    ` xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/">`,
    `<xmp:CreatorTool>${escapeXml(software)}</xmp:CreatorTool>`,
    `<Iptc4xmpExt:DigitalSourceType>${digitalSourceType}</Iptc4xmpExt:DigitalSourceType>`,
    `${told}${creditElements(credits)}</rdf:Description></rdf:RDF></x:xmpmeta>`,
    `<?xpacket end="w"?>`,
  ].join("\n");
}

/** Dublin Core's creator and rights, and the date of the picture itself (IPTC Photo Metadata 2023.2, "Date Created"). */
function creditElements({ author, copyright, takenAt }: Credits): string {
  const creator =
    author === undefined
      ? ""
      : `<dc:creator><rdf:Seq><rdf:li>${escapeXml(author)}</rdf:li></rdf:Seq></dc:creator>`;
  const rights =
    copyright === undefined
      ? ""
      : `<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">${escapeXml(copyright)}</rdf:li></rdf:Alt></dc:rights>`;
  const date =
    takenAt === undefined ? "" : `<photoshop:DateCreated>${escapeXml(takenAt)}</photoshop:DateCreated>`;
  return `${creator}${rights}${date}`;
}

/** Text as XML 1.0 allows it: markup escaped, control characters and lone surrogates dropped. */
function escapeXml(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}
