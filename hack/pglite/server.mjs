// PostgreSQL with pgvector on a free loopback port, in memory, for tests. It
// prints its port, and ends when its standard input does, so that it cannot
// outlive the test that started it.
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'

const db = await PGlite.create({ extensions: { vector } })
await db.exec('CREATE EXTENSION vector')
const server = new PGLiteSocketServer({ db, host: '127.0.0.1', port: 0, maxConnections: 32 })
await server.start()
console.log(server.getServerConn().split(':').at(-1))

process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
