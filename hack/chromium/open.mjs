// node open.mjs PAGE.html [SCREENSHOT.png]: opens a page without a network and prints, as JSON, what
// the console said, what it tried to load, and the size and position of each plot.
import { chromium } from 'playwright-core'
import { pathToFileURL } from 'node:url'

const [file, screenshot] = process.argv.slice(2)
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, offline: true })
  const page = await context.newPage()
  const seen = { console: [], requests: [] }
  page.on('console', message => seen.console.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', error => seen.console.push(`error: ${error.message}`))
  const url = pathToFileURL(file).href
  page.on('request', request => { if (request.url() !== url && !request.url().startsWith('data:')) seen.requests.push(request.url()) })
  await page.goto(url, { waitUntil: 'load' })
  seen.title = await page.title()
  seen.plots = await page.$$eval('svg.chart', charts => charts.map(chart => {
    const box = chart.getBoundingClientRect()
    const marks = [...chart.querySelectorAll('path.line, circle, rect:not(.back)')].map(mark => mark.getBoundingClientRect())
    return {
      title: chart.getAttribute('aria-label'), width: box.width, height: box.height,
      // Marks that one can see, and those that stick out of their plot.
      marks: marks.filter(m => m.width + m.height > 1).length,
      outside: marks.filter(m => m.left < box.left - 1 || m.right > box.right + 1 || m.top < box.top - 1 || m.bottom > box.bottom + 1).length,
    }
  }))
  seen.wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  if (screenshot) await page.screenshot({ path: screenshot, fullPage: true })
  console.log(JSON.stringify(seen))
} finally {
  await browser.close()
}
