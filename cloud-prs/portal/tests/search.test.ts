//! Finding hosts: S20, S34 and the portal's 100 ms per key over 10,000 hosts (the bench measures it in a browser).
import { describe, expect, it } from 'vitest';
import { fold, Index, type Searchable } from '../src/lib/search';

const host = (id: string, name: string, customer: string, site = 'main', address = '10.0.0.1', tags: string[] = []): Searchable => ({ id, name, customer, site, address, tags });
const some = new Index([
  host('1', 'web-server', 'Acme'), host('2', 'database', 'Web Design Ltd'), host('3', 'my-webcam', 'Zeta', 'Roof', '192.168.7.20', ['camera']),
  host('4', 'Büro-PC', 'Überlingen'), host('5', 'مضخة', 'Pumps'), host('6', '🚰 pump', 'Pumps'), host('7', 'نرم\u200cافزار', 'Soft'),
]);
const ids = (q: string): string[] => some.find(q, 10).map((h) => h.id);

describe('search', () => {
  it('puts the beginning of a name first, then the customer, then the middle', () => expect(ids('web')).toEqual(['1', '2', '3']));
  it('wants every word, in any field', () => expect(ids('zeta cam')).toEqual(['3']));
  it('knows addresses and tags', () => { expect(ids('192.168.7')).toEqual(['3']); expect(ids('camera')).toEqual(['3']); });
  it('ignores case and accents', () => { expect(ids('buro')).toEqual(['4']); expect(ids('UBER')).toEqual(['4']); });
  it('finds other scripts and emoji', () => { expect(ids('مضخة')).toEqual(['5']); expect(ids('🚰')).toEqual(['6']); });
  it('finds a name with joiners by one without', () => expect(ids('نرمافزار')).toEqual(['7']));
  it('lifts favourites', () => expect(some.find('pumps', 10, (h) => (h.id === '6' ? 3 : 0)).map((h) => h.id)).toEqual(['6', '5']));
  it('says null for nothing asked and an empty set for nothing found', () => { expect(some.matching(' ')).toBeNull(); expect(some.matching('nowhere')?.size).toBe(0); });
  it('reads no more than the start of an endless name', () => expect(fold('x'.repeat(10_000)).length).toBe(400));
  it('holds 10,000 hosts and answers each key of a word with the same hosts as a plain scan', () => {
    const many = Array.from({ length: 10_000 }, (_, i) => host(String(i), `host-${i}`, `Customer ${i % 100}`, `Site ${i % 7}`, `10.${i % 250}.0.1`));
    const index = new Index(many);
    for (const q of ['h', 'ho', 'host-77', 'customer 42', '10.99']) {
      const plain = many.filter((h) => q.split(' ').every((w) => `${h.name}\n${h.customer}\n${h.site}\n${h.address}`.toLowerCase().includes(w)));
      expect(index.matching(q)?.size).toBe(plain.length);
    }
  });
});
